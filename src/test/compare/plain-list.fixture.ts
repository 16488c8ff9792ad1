// The differences from useChat on a route that is not durable: none, except for bugs of the older SDK.

import type { Meant } from './meant.fixture.ts';

export const unmounting: readonly Meant[] = [
  {
    why: 'The older useChat goes on reading for a component that is gone; the newer one and ours close the connection.',
    on: 6,
    in: ['an unmount in the middle', 'another id in the middle of an answer'],
    lines: [
      '- calls onFinish *"isAbort":false*',
      '+ calls onFinish *"isAbort":true*',
      '- requests POST /api/chat *"trigger":"submit-message"}',
      '+ requests POST /api/chat * aborted',
    ],
  },
];

export const plainList: readonly Meant[] = [
  ...unmounting,
  {
    why: 'The older useChat does not pass on that a transport replays: the start of a resumed message has no render.',
    on: 6,
    in: [
      'a resume of an answer',
      'a resume, a stop, and another send',
      'a resume of a prepared request',
      'a call of resumeStream',
      'a call of resumeStream during one',
    ],
    lines: ['+ renders s | submitted | *<assistant *>:'],
  },
];
