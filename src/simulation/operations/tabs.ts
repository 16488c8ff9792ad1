// Tabs that open, close and reload.

import type { Operation } from './operation.ts';

const mostPages = 5;

/** A new tab. */
export const openTab: Operation = {
  name: 'open tab',
  weight: 2,
  perform(stage, random) {
    if (stage.pages.size < mostPages) stage.open(random.pick(stage.sessions)!);
  },
};

/** A tab is closed. */
export const closeTab: Operation = {
  name: 'close tab',
  weight: 1,
  perform(stage, random) {
    const page = random.pick([...stage.pages]);
    if (page && stage.pages.size > 1) stage.discard(page);
  },
};

/** A page is reloaded, and keeps its storage mostly. */
export const reload: Operation = {
  name: 'reload',
  weight: 2,
  perform(stage, random) {
    const page = random.pick(stage.awake);
    if (!page) return;
    page.tab?.unload();
    stage.discard(page);
    if (random.chance(0.1)) page.storage.clear();
    stage.open(page.sessionId, page);
  },
};
