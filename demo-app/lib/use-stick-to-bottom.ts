// Keeps a scroller at its end while content grows, until the reader scrolls up.
'use client';

import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';

/** A position closer to the end than this counts as the end. */
const NEAR_PX = 24;

export interface StickToBottom {
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  /** The reader has scrolled up. */
  away: boolean;
  jump: () => void;
}

/** With `enabled` false it does not scroll, for a page that is read from its top. */
export function useStickToBottom(enabled: boolean): StickToBottom {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const [away, setAway] = useState(false);

  const pin = useCallback((value: boolean) => {
    pinned.current = value;
    setAway(!value);
  }, []);

  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (!enabled || !box || !inner) return;

    const room = () => box.scrollHeight - box.clientHeight;
    let lastTop = box.scrollTop;
    let lastRoom = room();

    const onScroll = () => {
      const nowRoom = room();
      // A box that shrinks moves the position too. Only an upward move in a box that did not shrink is the reader's.
      if (box.scrollTop < lastTop - 1 && nowRoom >= lastRoom) pin(false);
      else if (nowRoom - box.scrollTop <= NEAR_PX) pin(true);
      lastTop = box.scrollTop;
      lastRoom = nowRoom;
    };
    const onResize = () => {
      if (pinned.current) box.scrollTop = room();
      lastRoom = room();
    };

    box.addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(onResize);
    observer.observe(inner);
    observer.observe(box);
    return () => {
      box.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, [enabled, pin]);

  const jump = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    pin(true);
    const distance = box.scrollHeight - box.clientHeight - box.scrollTop;
    const smooth = distance < 2 * box.clientHeight && !matchMedia('(prefers-reduced-motion: reduce)').matches;
    box.scrollTo({ top: box.scrollHeight, behavior: smooth ? 'smooth' : 'instant' });
  }, [pin]);

  return { scroller, content, away, jump };
}
