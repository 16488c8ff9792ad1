// Server tools, client tools, and approvals.

import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import type { Options } from '../fixtures/hooks.fixture.tsx';
import { send, text, type Played } from './played.fixture.ts';
import type { Step } from './script.fixture.ts';

const call = (toolCallId: string): Step[] => [
  { type: 'start' },
  { type: 'start-step' },
  { type: 'tool-input-start', toolCallId, toolName: 'where' },
  { type: 'tool-input-delta', toolCallId, inputTextDelta: '{"of":' },
  { type: 'tool-input-delta', toolCallId, inputTextDelta: '"me"}' },
  { type: 'tool-input-available', toolCallId, toolName: 'where', input: { of: 'me' } },
];
const finish: Step[] = [{ type: 'finish-step' }, { type: 'finish', finishReason: 'tool-calls' }];
/** A run that continues a message emits no `start`. */
const goOn: Step[] = text('done');
const withCalls = lastAssistantMessageIsCompleteWithToolCalls as NonNullable<
  Options['sendAutomaticallyWhen']
>;
const withApprovals = lastAssistantMessageIsCompleteWithApprovalResponses as NonNullable<
  Options['sendAutomaticallyWhen']
>;
const approval: Step[] = [
  ...call('c'),
  { type: 'tool-approval-request', approvalId: 'p', toolCallId: 'c' },
  ...finish,
];

export const tools: Record<string, Played> = {
  'a tool of the server': {
    post: (script) =>
      script.reply([
        ...call('c'),
        { type: 'tool-output-available', toolCallId: 'c', output: 'here' },
        { type: 'finish-step' },
        ...text('You are here').slice(1),
      ]),
    play: send('where am I'),
  },
  'a tool of the client, and the send that follows': {
    options: (actor) => ({
      sendAutomaticallyWhen: withCalls,
      onToolCall: ({ toolCall: { toolCallId } }) => {
        actor.note(`onToolCall ${toolCallId}`);
        void actor.chat.addToolOutput({ tool: 'where', toolCallId, output: 'here' });
      },
    }),
    post: (script, nth) => script.reply(nth === 0 ? [...call('c'), ...finish] : goOn),
    play: send('where am I'),
  },
  'a tool of the client that is answered later': {
    options: () => ({ sendAutomaticallyWhen: withCalls }),
    post: (script, nth) => script.reply(nth === 0 ? [...call('c'), ...finish] : goOn),
    async play(actor) {
      await send('where am I')(actor);
      await actor.chat.addToolOutput({ tool: 'where', toolCallId: 'c', output: { at: 'home' } });
    },
  },
  'a tool of the client that fails': {
    options: () => ({ sendAutomaticallyWhen: withCalls }),
    post: (script, nth) => script.reply(nth === 0 ? [...call('c'), ...finish] : goOn),
    async play(actor) {
      await send('where am I')(actor);
      const state = 'output-error' as const;
      await actor.chat.addToolOutput({ tool: 'where', toolCallId: 'c', state, errorText: 'Lost.' });
    },
  },
  'a tool that is answered without a send that follows': {
    post: (script) => script.reply([...call('c'), ...finish]),
    async play(actor) {
      await send('where am I')(actor);
      await actor.chat.addToolOutput({ tool: 'where', toolCallId: 'c', output: 'here' });
    },
  },
  'an approval': {
    options: () => ({ sendAutomaticallyWhen: withApprovals }),
    post: (script, nth) =>
      script.reply(
        nth === 0
          ? approval
          : [
              { type: 'start' },
              { type: 'tool-output-available', toolCallId: 'c', output: 'here' },
              ...goOn.slice(1),
            ],
      ),
    async play(actor) {
      await send('where am I')(actor);
      await actor.chat.addToolApprovalResponse({ id: 'p', approved: true, reason: 'Fine.' });
    },
  },
  'an approval that is denied': {
    options: () => ({ sendAutomaticallyWhen: withApprovals }),
    post: (script, nth) =>
      script.reply(
        nth === 0
          ? approval
          : [{ type: 'start' }, { type: 'tool-output-denied', toolCallId: 'c' }, ...goOn.slice(1)],
      ),
    async play(actor) {
      await send('where am I')(actor);
      await actor.chat.addToolApprovalResponse({ id: 'p', approved: false });
    },
  },
};
