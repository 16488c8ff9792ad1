// The leader: its GET has the sessions of this page and of the tabs that follow.

import type { Runtime } from '../../../lib/runtime.ts';
import { SharedGet } from '../shared-get.ts';
import type { Slot } from '../slots.ts';
import { deliver, type Member } from './member.ts';
import type { Bus, Said } from './notes.ts';

/** The role of a page on a line. */
export interface Role {
  add(member: Member): void;
  remove(member: Member): void;
  take(note: Said): void;
}

/** The members of a leading page, and its notes to the followers. */
export interface LeaderOptions {
  readonly runtime: Runtime;
  /** The members of this page. */
  readonly members: ReadonlySet<Member>;
  /** Undefined if other tabs cannot be reached. */
  readonly bus: Bus | undefined;
  /** Whether the request options were read just now. */
  readonly isNew: boolean;
  readonly takeSlot: (signal: AbortSignal) => Promise<Slot>;
  /** Called for a member for which the GET has no room. */
  readonly onFull: (member: Member) => void;
}

/** The role of the page that has the GET of its line. */
export class Leader implements Role {
  readonly get: SharedGet;
  readonly #options: LeaderOptions;
  /** The sessions of members in other tabs. */
  readonly #remote = new Map<string, string>();

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { runtime, members, bus, takeSlot } = options;
    let isFirst = options.isNew;
    this.get = new SharedGet({
      runtime,
      takeSlot,
      async subscribe(sessions, how) {
        const [member] = members;
        // The request options can have changed: then all members begin again, each on its new line.
        const isSame = isFirst || (await member?.matchesLine());
        isFirst = false;
        return isSame && member ? member.subscribe(sessions, how) : true;
      },
      onEvent: (sessionIds, event) => {
        for (const member of members) if (sessionIds.includes(member.sessionId)) deliver(member, event);
        if (this.#remote.size > 0) bus?.say({ type: 'event', sessionIds, ...(event && { event }) });
      },
      isUnshared: () => this.#remote.size === 0 && new Set(this.#sessionIds()).size === members.size,
    });
  }

  run(signal: AbortSignal): Promise<boolean> {
    for (const member of this.#options.members) this.add(member);
    this.#options.bus?.say({ type: 'lead' });
    return this.get.run(signal);
  }

  add(member: Member): void {
    const { sessionId, after } = member;
    const first = this.get.join({ sessionId, after }, () => this.#snapshotOf(sessionId, member));
    if (first === 'full') return this.#options.onFull(member);
    if (first || this.get.isOpen(sessionId)) deliver(member, first);
  }

  remove({ sessionId }: Member): void {
    this.#leave(sessionId);
  }

  take(note: Said): void {
    const { bus } = this.#options;
    if (!bus) return;
    switch (note.type) {
      case 'join': {
        const { to, key, sessionId } = note;
        if (to !== undefined && to !== bus.id) return;
        this.#remote.set(key, sessionId);
        const event = this.get.join(note, () => this.#snapshotOf(sessionId));
        if (event === 'full') {
          this.#remote.delete(key);
          return bus.say({ type: 'welcome', key, full: true });
        }
        bus.say({ type: 'welcome', key, ...(event && { event }) });
        if (this.get.isOpen(sessionId)) bus.say({ type: 'event', sessionIds: [sessionId] });
        return;
      }
      case 'leave':
        for (const key of note.keys) {
          const sessionId = this.#remote.get(key);
          this.#remote.delete(key);
          if (sessionId !== undefined) this.#leave(sessionId);
        }
        return;
      case 'ask':
        bus.say({ type: 'tell', to: note.from, keys: note.keys.filter((key) => this.#remote.has(key)) });
        return;
      case 'lead':
      case 'welcome':
      case 'event':
      case 'tell':
        return;
      default:
        // A newer build in another tab can send other notes.
        note satisfies never;
    }
  }

  *#sessionIds(): Generator<string> {
    for (const { sessionId } of this.#options.members) yield sessionId;
  }

  #leave(sessionId: string): void {
    if (![...this.#sessionIds(), ...this.#remote.values()].includes(sessionId)) this.get.leave(sessionId);
  }

  #snapshotOf(sessionId: string, joining?: Member): ReturnType<Member['snapshot']> {
    for (const member of this.#options.members) {
      const frame = member !== joining && member.sessionId === sessionId ? member.snapshot() : undefined;
      if (frame) return frame;
    }
    return undefined;
  }
}
