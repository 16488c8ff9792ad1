// durable-chat/upstash: sessions in Upstash Redis.

export { upstashChannel, type UpstashChannelOptions } from './channel/upstash/channel.ts';
