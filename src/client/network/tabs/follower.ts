// A follower: it takes the events of the leading page, and detects when that page is silent.

import type { Cancel, Runtime } from '../../../lib/runtime.ts';
import { every } from '../../../lib/time.ts';
import { lookAtLeader, lookEachMs, type LeaderWatch } from './leader-watch.ts';
import type { Role } from './leader.ts';
import { ask, deliver, type Member } from './member.ts';
import type { Bus, Said } from './notes.ts';

/** The members of a following page, and its notes to the leader. */
export interface FollowerOptions {
  readonly runtime: Runtime;
  /** The members of this page. */
  readonly members: ReadonlySet<Member>;
  readonly bus: Bus;
  /** Called for a member that the server refuses. */
  readonly onRefused: (member: Member, error: unknown) => void;
  /** Called for a member for which the leader has no room. */
  readonly onFull: (member: Member) => void;
  /** Called once when no page leads any more, with whether one has led. */
  readonly onLost: (wasLed: boolean) => void;
}

/** The role of a page whose events come from the leading page. */
export class Follower implements Role {
  readonly #options: FollowerOptions;
  /** Members that the server has accepted, and whether the leader has too. */
  readonly #joined = new Map<Member, 'asked' | 'welcome'>();
  #leader: string | undefined;
  #watch: LeaderWatch;
  #isClosed = false;
  readonly #cancel: Cancel;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#watch = { heardAt: options.runtime.monotonic() };
    this.#cancel = every(options.runtime, lookEachMs, () => this.#look());
    for (const member of options.members) this.add(member);
  }

  add(member: Member): void {
    ask(member.subscribe, member.sessionId, member.after, member.signal).then(
      () => this.#isClosed || this.#join(member),
      (error: unknown) => member.signal.aborted || this.#options.onRefused(member, error),
    );
  }

  remove(member: Member): void {
    if (this.#joined.delete(member)) this.#options.bus.say({ type: 'leave', keys: [member.key] });
  }

  take(note: Said): void {
    const { onFull } = this.#options;
    switch (note.type) {
      case 'lead':
        return this.#joinAll(note.from);
      case 'welcome':
        for (const [member, state] of this.#joined) {
          // If two leaders reply, because one does not know yet that it no longer leads, the first reply counts.
          if (member.key !== note.key || state === 'welcome') continue;
          this.#hear(note.from);
          if (note.full) {
            this.#joined.delete(member);
            return onFull(member);
          }
          this.#joined.set(member, 'welcome');
          if (note.event) deliver(member, note.event);
        }
        return;
      case 'event':
        if (note.from !== this.#leader) return;
        this.#hear(note.from);
        for (const [member, state] of this.#joined)
          if (state === 'welcome' && note.sessionIds.includes(member.sessionId)) deliver(member, note.event);
        return;
      case 'tell':
        if (note.to !== this.#options.bus.id) return;
        if (note.from !== this.#leader) return this.#joinAll(note.from);
        this.#hear(note.from);
        for (const member of this.#joined.keys()) if (!note.keys.includes(member.key)) this.#join(member);
        return;
      case 'join':
      case 'leave':
      case 'ask':
        return;
      default:
        // A newer build in another tab can send other notes.
        note satisfies never;
    }
  }

  /** The page ends: the leader no longer needs its sessions. */
  leave(): void {
    this.#options.bus.say({ type: 'leave', keys: this.#keys() });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #keys(): string[] {
    return Array.from(this.#joined.keys(), ({ key }) => key);
  }

  #hear(from: string): void {
    this.#leader = from;
    this.#watch = { heardAt: this.#options.runtime.monotonic() };
  }

  #joinAll(leader: string): void {
    this.#hear(leader);
    for (const member of this.#joined.keys()) this.#join(member);
  }

  #join(member: Member): void {
    const { key, sessionId, after } = member;
    this.#joined.set(member, 'asked');
    this.#expect();
    this.#options.bus.say({ type: 'join', to: this.#leader, key, sessionId, after });
  }

  #expect(): void {
    this.#watch = { askedAt: this.#options.runtime.monotonic(), ...this.#watch };
  }

  #look(): void {
    const { runtime, bus, onLost } = this.#options;
    switch (lookAtLeader(this.#watch, runtime.monotonic())) {
      case 'ask':
        this.#expect();
        return bus.say({ type: 'ask', keys: this.#keys() });
      case 'lost':
        this.close();
        return onLost(this.#leader !== undefined);
      case 'wait':
    }
  }
}
