// durable-chat/upstash: sessions in Upstash Redis.

export { upstashChannel } from './channel/upstash/channel.ts';
export type { UpstashChannelOptions } from './channel/upstash/connect.ts';
