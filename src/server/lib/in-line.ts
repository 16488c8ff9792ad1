// One task of an owner at a time, in the order of the calls.

const lines = new WeakMap<object, Promise<unknown>>();

/** Calls `task` once the earlier tasks of `owner` have settled. Settles like `task`. */
export function inLine<T>(owner: object, task: () => Promise<T>): Promise<T> {
  const before = lines.get(owner) ?? Promise.resolve();
  const done = before.then(task, task);
  lines.set(owner, done);
  return done;
}
