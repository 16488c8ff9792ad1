// Every difference that an app sees when its route becomes durable and its hook useDurableChat, with the reason.

import type { Meant } from './meant.fixture.ts';
import { unmounting } from './plain-list.fixture.ts';

const edits = [
  'an edit',
  'an edit of the last message',
  'a regeneration',
  'a regeneration of an earlier answer',
  'a regeneration during an answer',
  'a refusal, then a retry',
  'an error chunk, then a retry',
  'headers, body and credentials',
];
const clientTools = [
  'a tool of the client, and the send that follows',
  'a tool of the client that is answered later',
  'a tool of the client that fails',
  'an approval',
  'an approval that is denied',
];

/** Differences of requests and callbacks. */
const traffic: readonly Meant[] = [
  {
    why: 'A session is subscribed to from the mount to the unmount.',
    lines: ['+ requests GET /api/* aborted'],
  },
  {
    why: 'An edit, a regeneration and a continuation have a name, so that one that is made again is the same one.',
    in: [...edits, ...clientTools, 'a prepared request'],
    lines: ['- requests POST /api/*', '+ requests POST /api/*"idempotency-key":"<made>"*'],
  },
  {
    why: 'Stop is a request: a closed connection stops nothing.',
    in: [
      'a stop in the middle',
      'a stop before the first chunk',
      'a stop after the start',
      'a stop before the server answers',
      'a stop with nothing to stop',
      'a regeneration during an answer',
      'a resume, a stop, and another send',
    ],
    lines: ['+ requests DELETE /api/chat?id=s&durable=stop&wire=2 {} '],
  },
  {
    why: 'The same, for a stop that sends a queued message.',
    on: 7,
    in: ['a queued message that is sent now'],
    lines: ['+ requests DELETE /api/chat?id=s&durable=stop&wire=2 {} '],
  },
  {
    why: 'The outcome of a tool call is in the log first: the first one counts, on whatever tab it was given.',
    in: [...clientTools, 'a tool that is answered without a send that follows'],
    lines: [
      '+ requests POST /api/chat?wire=2 *"trigger":"tool-outcome"}',
      '+ identities <assistant 1> is another object',
    ],
  },
  {
    why: 'A body that the app prepares is completed with what the route has to know.',
    in: ['a prepared request'],
    lines: ['+ requests POST /api/chat *{"id":"s","last":{*},"messages":[{*}],*"trigger":"submit-message"}'],
  },
  {
    why: 'A session brings a running answer by itself.',
    in: [
      'a resume with nothing to resume',
      'a resume of an answer',
      'a resume, a stop, and another send',
      'a call of resumeStream with nothing to resume',
    ],
    lines: ['- requests GET /api/chat/s/stream {} *'],
  },
];

/** Differences that come from the log. */
const log: readonly Meant[] = [
  {
    why: 'The server names the messages that it makes: all viewers have the same ids.',
    in: ['a send whose answer names its message'],
    lines: [
      '- renders s | * named: *',
      '- renders s | * named:',
      '- calls onFinish *"named"*',
      '+ renders s | * <assistant 1>: *',
      '+ calls onFinish *"<assistant 1>"*',
    ],
  },
  {
    why: 'What has ended is closed in the log, so that the next run converts.',
    in: ['an answer without an end'],
    lines: ['+ renders s | ready | * “so far” done'],
  },
  {
    why: 'The log may have said so before the end is shown.',
    in: ['an answer without an end'],
    sometimes: true,
    lines: ['- renders s | ready | * “so far” streaming', '+ renders s | streaming | * “so far” done'],
  },
  {
    why: 'The same, where the answer breaks off.',
    in: ['an answer that breaks off'],
    sometimes: true,
    lines: ['+ renders s | error | * “so far” streaming | error: An error occurred.'],
  },
  {
    why: 'The same, after an error.',
    in: ['an error chunk, then a retry'],
    lines: ['+ renders s | error | * “so far” done | error: It broke.'],
  },
  {
    why: 'The same, after a stop: the next send goes on from the closed text.',
    in: ['a stop in the middle', 'a resume, a stop, and another send'],
    lines: [
      '- renders s | * streaming | <user *>: *',
      '+ renders s | ready | * done',
      '+ renders s | * done | <user *>: *',
      '- requests POST /api/chat *"state":"streaming"*',
      '+ requests POST /api/chat *"state":"done"*',
    ],
  },
  {
    why: 'The same, when a stop sends a queued message.',
    on: 7,
    in: ['a queued message that is sent now'],
    lines: [
      '- renders s | * “first” streaming | <user 2>: *',
      '+ renders s | ready | * “first” done | queued <user 2>: “two”',
      '+ renders s | * “first” done | <user 2>: *',
      '- requests POST /api/chat *"state":"streaming"*',
      '+ requests POST /api/chat *"state":"done"*',
    ],
  },
  {
    why: 'The same, when a stop is followed by a regeneration.',
    in: ['a regeneration during an answer'],
    lines: ['+ renders s | ready | * “first” done'],
  },
  {
    why: 'A stop is shown before the server has confirmed it.',
    sometimes: true,
    in: ['a regeneration during an answer', 'a queued message that is sent now'],
    lines: ['+ renders s | ready | * “first” streaming*'],
  },
  {
    why: 'A handler that ignores its signal has a moment to end by itself; what it says in it is kept.',
    in: ['a stop before the server answers'],
    lines: ['+ renders s | ready | * “late!” done'],
  },
  {
    why: 'Two sends have two turns: the second one is answered after the first, below it, from its own request.',
    in: ['two sends at once'],
    lines: ['- renders s | *', '+ renders s | *', '- calls onFinish *', '+ calls onFinish *'],
  },
  {
    why: 'The log is the authority: a list that was made elsewhere says nothing about the session.',
    in: ['messages that the app sets'],
    lines: ['- renders s | *', '+ renders s | *', '- calls onFinish *', '+ calls onFinish *'],
  },
  {
    why: 'What the app removes of the session travels with the next send.',
    in: ['messages that the app takes away'],
    lines: ['- requests POST /api/chat *', '+ requests POST /api/chat *"changes":{*'],
  },
  {
    why: 'The outcome of a tool call reaches the log, and the screen, before the send that follows.',
    in: clientTools,
    sometimes: true,
    lines: [
      '+ renders s | ready | <user 1>: “where am I” | <assistant 1>: *',
      '+ renders s | streaming | <user 1>: “where am I” | <assistant 1>: *"input-available"*',
    ],
  },
  {
    why: 'The answer is being written until the log has its end: a throttled message is published with each status.',
    on: 7,
    in: ['a throttle'],
    lines: [
      '- renders s | streaming | <user 1>: “hello”',
      '+ renders s | streaming | <user 1>: “hello” | <assistant 1>: *',
    ],
  },
  {
    why: 'The same message, published again.',
    on: 7,
    in: ['a throttle'],
    lines: ['+ identities <assistant 1> is another object'],
  },
];

/** Differences of malformed answers. */
const wrong: readonly Meant[] = [
  {
    why: 'The connection that broke is between the server and the app: the client had no disconnect, and is shown no detail.',
    in: ['an answer that breaks off'],
    lines: [
      '- renders s | error | * | error: network error',
      '+ renders s | error | * “so far” done | error: An error occurred.',
      '- calls onError "network error"',
      '- calls onFinish {"isAbort":false,"isDisconnect":true,*',
      '+ calls onError "An error occurred."',
      '+ calls onFinish {"isAbort":false,"isDisconnect":false,*',
    ],
  },
  {
    why: 'A handler that returns no stream is a mistake, and is said to be one.',
    in: ['an answer that is a page', 'an answer without a body'],
    lines: [
      '- renders s | *',
      '+ renders s | error | * | error: The handler returned a Response (20*) that is not a UI message stream. *',
      '+ calls onError "The handler returned a Response (20*) that is not a UI message stream. *',
    ],
  },
  {
    why: 'For a page, the SDK sees an empty answer.',
    in: ['an answer that is a page'],
    lines: ['- calls onFinish *"isError":false*', '+ calls onFinish *"isError":true*'],
  },
  {
    why: 'For an answer without a body, the SDK has an error of its own.',
    in: ['an answer without a body'],
    lines: ['- calls onError "The response body is empty."'],
  },
  {
    why: 'Types that a client does not know may be of a newer server, and are ignored.',
    in: ['a chunk of no known type'],
    lines: [
      '- renders s | error | * error: Type validation failed: *',
      '- calls onError "Type validation failed: *',
      '- calls onFinish *"isError":true*',
      '+ renders s | submitted | <user 1>: “hello” | <assistant 1>:',
      '+ renders s | submitted | <user 1>: “hello”',
      '+ renders s | ready | <user 1>: “hello”',
      '+ calls onFinish *"isError":false*',
    ],
  },
  {
    why: 'The log keeps what the server has said: the tab that refuses a part shows the rest as every other tab does.',
    in: ['data that does not fit its schema'],
    lines: [
      '- renders s | error | <user 1>: “hello” | error: *',
      '+ renders s | error | <user 1>: “hello” | <assistant 1>: *',
      '- calls onFinish *',
      '+ calls onFinish *["<user 1>","<assistant 1>"]',
    ],
  },
];

/** Differences of a resumed answer. */
const resumed: readonly Meant[] = [
  {
    why: 'A message is shown from its first part.',
    on: 7,
    in: ['a resume of an answer', 'a resume, a stop, and another send'],
    lines: [
      '- renders s | submitted | u: “before” | <assistant 1>:',
      '+ renders s | submitted | u: “before”',
    ],
  },
  {
    why: 'What is there already comes in one piece.',
    sometimes: true,
    in: ['a resume of an answer', 'a resume, a stop, and another send'],
    lines: [
      '- renders s | streaming | u: “before” | <assistant 1>: *',
      '- renders s | submitted | u: “before” | *',
    ],
  },
];

/** Differences of the older SDK only. */
const older: readonly Meant[] = [
  {
    why: 'React renders twice in one turn there: an answer is shown with its name, and at once with its first part.',
    on: 6,
    lines: ['+ renders * | submitted | * | <assistant *>:'],
  },
  {
    why: 'The older useChat is ready for a moment between a result and the send that follows it.',
    on: 6,
    in: clientTools,
    sometimes: true,
    lines: ['- renders s | ready | * | <assistant 1>: *'],
  },
  ...unmounting,
];

export const durableList: readonly Meant[] = [...traffic, ...log, ...wrong, ...resumed, ...older];
