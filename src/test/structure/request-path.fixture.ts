// The path of a request: the files that a reader opens, in order, from one function to another.
//
// The walk goes depth first and in source order through the calls that the compiler resolves to functions of this
// repository. A stay is one visit of a file: a call that enters another file begins the next stay. The rules:
// - A function is read at its first call. A later call of it adds no stay.
// - An inline function in the arguments of a call is read where it is written, a named one where it is called.
// - A member of an interface is followed when it has exactly one implementation. With several it is a port.
// - What runs only on a condition (`if`, `?:`, `&&`, `||`, `??`, `switch`), after a failure (`catch`) or for one
//   (`throw`) is followed only when it leads to the next waypoint. Both branches of a condition can.
// - Only the folders of the path count. A call of what lies below or beside them is known by its name and adds no
//   stay; the inline functions that are passed to it are read.

import { SyntaxKind, type CallExpression, type Node } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { createCalls, bare, isCall, isFunction, visit, type Fn, type Passed } from './calls.fixture.ts';
import type { Code } from './program.fixture.ts';

export interface Path {
  /** The functions by which the path goes, each `<file> <name>`: first its start, last its end. */
  readonly waypoints: readonly string[];
  /** The folders of the path. */
  readonly folders: readonly string[];
  /** Where implementations of interfaces are looked for. */
  readonly implementations: readonly string[];
}

export interface Stay {
  readonly file: string;
  /** The functions that are read, in order. */
  readonly functions: readonly string[];
}

/** @returns The stays up to and including the last waypoint. @throws When the path does not reach it. */
export function staysOf(code: Code, path: Path): readonly Stay[] {
  const calls = createCalls(code, path.implementations);
  const stays: { file: string; functions: string[] }[] = [];
  const read = new Set<Fn>();
  const [start, ...ahead] = path.waypoints;
  const nothing: Passed = new Map();
  const reached = new Map<string, boolean>();

  const nameOf = (fn: Fn) => {
    const holder = is.isArrowFunction(fn) || is.isConstructorDeclaration(fn) ? fn.parent : fn;
    const name = 'name' in holder ? (holder.name as Node | undefined) : undefined; // whatever kind of declaration it is
    return name ? name.getText() : '(inline)';
  };
  const waypointOf = (fn: Fn) => `${code.fileOf(fn)} ${nameOf(fn)}`;

  /** Whether a call in the node, or in what it calls, reaches the next waypoint. */
  function leads(node: Node, passed: Passed): boolean {
    let found = false;
    visit(node, (part) => {
      found ||= isCall(part) && targetsOf(part, passed).some((fn) => reaches(fn));
    });
    return found;
  }

  function reaches(fn: Fn): boolean {
    const key = `${ahead[0]} < ${waypointOf(fn)} ${fn.pos}`;
    let found = reached.get(key);
    if (found === undefined) {
      const seen = new Set([fn]);
      for (const one of seen) {
        found = waypointOf(one) === ahead[0];
        if (found) break;
        visit(one, (part) => {
          if (isCall(part)) for (const target of targetsOf(part, nothing)) seen.add(target);
        });
      }
      reached.set(key, (found ??= false));
    }
    return found;
  }

  /** What a call calls, and the named functions that it passes on. */
  function targetsOf(call: Node & { expression: Node; arguments?: readonly Node[] }, passed: Passed) {
    return [call.expression, ...(call.arguments ?? [])]
      .filter((node) => !isFunction(bare(node)))
      .flatMap((node) => calls.functionsOf(node, passed));
  }

  function isUnread(fn: Fn): boolean {
    return (
      !read.has(fn) && !isInline(fn) && path.folders.some((folder) => code.fileOf(fn).startsWith(folder))
    );
  }

  /** @returns Whether the path ends here, as `walk` does. */
  function enter(fn: Fn, passed: Passed): boolean {
    if (!isUnread(fn)) return false;
    const file = code.fileOf(fn);
    read.add(fn);
    if (stays.at(-1)?.file !== file) stays.push({ file, functions: [] });
    stays.at(-1)!.functions.push(nameOf(fn)); // pushed one line above where there was none
    if (waypointOf(fn) === ahead[0]) {
      ahead.shift();
      if (ahead.length === 0) return true;
    }
    return fn.body !== undefined && walk(fn.body, passed);
  }

  function walk(node: Node, passed: Passed): boolean {
    if (isFunction(node)) return isInline(node) && node.body !== undefined && walk(node.body, passed);
    if (is.isCatchClause(node) || is.isThrowStatement(node)) return false;
    const { always, sometimes } = branchesOf(node);
    if (always.some((part) => walk(part, passed))) return true;
    if (sometimes.some((part) => leads(part, passed) && walk(part, passed))) return true;
    if (!isCall(node)) return false;
    const args = node.arguments ?? [];
    const called = calls.functionsOf(node.expression, passed);
    // Named functions that are passed to what is not read here are read in its place.
    const named = called.some(isUnread) || isCatch(node) ? [] : args.filter((arg) => !isFunction(bare(arg)));
    return (
      called.some((fn) => enter(fn, calls.passing(fn, args, passed))) ||
      named.flatMap((arg) => calls.functionsOf(arg, passed)).some((fn) => enter(fn, passed))
    );
  }

  const first: Fn[] = [];
  visit(code.tree(start!.split(' ')[0]!), (node) => {
    if (isFunction(node) && node.body && waypointOf(node) === start) first.push(node);
  });
  if (!first.some((fn) => enter(fn, nothing))) {
    throw new Error(`The path from ${start} does not reach ${ahead[0]}.`);
  }
  return stays;
}

/** What of a node always runs, and what runs on a condition. */
function branchesOf(node: Node): { always: readonly Node[]; sometimes: readonly Node[] } {
  const children: Node[] = [];
  node.forEachChild((child) => void children.push(child));
  const isConditional =
    is.isIfStatement(node) ||
    is.isConditionalExpression(node) ||
    is.isSwitchStatement(node) ||
    (is.isBinaryExpression(node) && shortCircuits.has(node.operatorToken.kind));
  if (is.isCaseBlock(node)) return { always: [], sometimes: children };
  if (isCatch(node)) return { always: [node.expression], sometimes: node.arguments };
  if (!isConditional) return { always: children, sometimes: [] };
  return { always: children.slice(0, 1), sometimes: children.slice(1) };
}

/** A call of a promise's `catch`. */
function isCatch(node: Node): node is CallExpression {
  const callee = is.isCallExpression(node) ? node.expression : undefined;
  return callee !== undefined && is.isPropertyAccessExpression(callee) && callee.name.text === 'catch';
}

const shortCircuits = new Set([
  SyntaxKind.AmpersandAmpersandToken,
  SyntaxKind.BarBarToken,
  SyntaxKind.QuestionQuestionToken,
]);

/** Whether a function is written in the arguments of a call. */
function isInline(fn: Fn): boolean {
  let node: Node = fn;
  while (
    is.isPropertyAssignment(node.parent) ||
    is.isObjectLiteralExpression(node.parent) ||
    is.isArrayLiteralExpression(node.parent) ||
    is.isSpreadAssignment(node.parent) ||
    is.isConditionalExpression(node.parent) ||
    is.isBinaryExpression(node.parent) ||
    is.isParenthesizedExpression(node.parent)
  ) {
    node = node.parent;
  }
  return isCall(node.parent) && node.parent.expression !== node;
}

/** The stays as a table of text. */
export function tableOf(stays: readonly Stay[]): string {
  const visits = visitsOf(stays);
  const seen = new Map<string, number>();
  const lines = stays.map(({ file, functions }, index) => {
    const visits = (seen.get(file) ?? 0) + 1;
    seen.set(file, visits);
    const again = visits > 1 ? `, visit ${visits}` : '';
    return `${String(index + 1).padStart(3)}  ${(file + again).padEnd(44)}  ${functions.join(', ')}`;
  });
  return [...lines, `${stays.length} stays in ${visits.size} files`].join('\n');
}

/** How often each file is entered. */
export function visitsOf(stays: readonly Stay[]): ReadonlyMap<string, number> {
  const visits = new Map<string, number>();
  for (const { file } of stays) visits.set(file, (visits.get(file) ?? 0) + 1);
  return visits;
}
