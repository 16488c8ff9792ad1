// Functions that the page's text boxes share.
import type { KeyboardEvent } from 'react';

/** Makes a box as tall as its text. */
export function grow(box: HTMLTextAreaElement): void {
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
}

/** Enter without Shift. */
export function isSubmit(event: KeyboardEvent): boolean {
  // Enter that picks a candidate in an input method is not a send. Some browsers report it only as key code 229.
  const composing = event.nativeEvent.isComposing || event.keyCode === 229;
  return event.key === 'Enter' && !event.shiftKey && !composing;
}
