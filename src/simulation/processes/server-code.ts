// The code of a server instance, evaluated by each of them.

export { upstashChannel } from '../../channel/upstash/channel.ts';
export { createCore } from '../../server/create.ts';
