// Resolves the callee of a call to the functions of this repository that it can be.

import * as is from 'typescript/unstable/ast/is';
import type {
  ArrowFunction,
  CallExpression,
  ConstructorDeclaration,
  FunctionDeclaration,
  FunctionExpression,
  MethodDeclaration,
  NewExpression,
  Node,
} from 'typescript/unstable/ast';
import { SymbolFlags, type Symbol } from 'typescript/unstable/sync';
import { sourcesIn, type Code } from './program.fixture.ts';

export type Fn =
  | ArrowFunction
  | FunctionExpression
  | FunctionDeclaration
  | MethodDeclaration
  | ConstructorDeclaration;

/** The functions that were passed for parameters, by the id of the parameter's symbol. */
export type Passed = ReadonlyMap<number, readonly Fn[]>;

export interface Calls {
  /**
   * The functions that an expression stands for. Empty when it is none of ours, or when an interface has several
   * implementations.
   */
  functionsOf(expression: Node, passed: Passed): readonly Fn[];
  /** What a call with these arguments passes for the parameters of `fn` by name. */
  passing(fn: Fn, args: readonly Node[], passed: Passed): Passed;
}

export function isFunction(node: Node): node is Fn {
  return (
    is.isArrowFunction(node) ||
    is.isFunctionExpression(node) ||
    is.isFunctionDeclaration(node) ||
    is.isMethodDeclaration(node) ||
    is.isConstructorDeclaration(node)
  );
}

/** Visits a node and all below it in source order. */
export function visit(node: Node, visitor: (node: Node) => void): void {
  visitor(node);
  node.forEachChild((child) => visit(child, visitor));
}

/** The expression without parentheses, `as`, `!` and `satisfies`. */
export function bare(node: Node): Node {
  const isWrapped =
    is.isParenthesizedExpression(node) ||
    is.isAsExpression(node) ||
    is.isNonNullExpression(node) ||
    is.isSatisfiesExpression(node);
  return isWrapped ? bare(node.expression) : node;
}

export function isCall(node: Node): node is CallExpression | NewExpression {
  return is.isCallExpression(node) || is.isNewExpression(node);
}

function nameIn(expression: Node): Node | undefined {
  if (is.isIdentifier(expression)) return expression;
  return is.isPropertyAccessExpression(expression) ? expression.name : undefined;
}

/** @param folders - Where implementations of interfaces are looked for. */
export function createCalls(code: Code, folders: readonly string[]): Calls {
  const { checker } = code;
  /** What implements a member of an interface: functions, and expressions that stand for one. */
  const implementations = new Map<Node, Node[]>();
  for (const file of folders.flatMap((folder) => sourcesIn(code.root, folder)))
    visit(code.tree(file), collect);

  function collect(node: Node): void {
    if (is.isObjectLiteralExpression(node)) {
      const members = node.properties.flatMap((member) => {
        if (is.isMethodDeclaration(member)) return [{ name: member.name, value: member }];
        if (is.isShorthandPropertyAssignment(member)) return [{ name: member.name, value: member.name }];
        if (!is.isPropertyAssignment(member)) return [];
        const value = bare(member.initializer);
        return isFunction(value) || nameIn(value) ? [{ name: member.name, value }] : [];
      });
      const type = members.length > 0 ? checker.getContextualType(node) : undefined;
      if (type) for (const { name, value } of members) implement(type, name, value);
    }
    if (is.isClassDeclaration(node)) {
      for (const type of node.heritageClauses?.flatMap(({ types }) => [...types]) ?? []) {
        const implemented = checker.getTypeAtLocation(type);
        for (const member of node.members) {
          if (implemented && is.isMethodDeclaration(member)) implement(implemented, member.name, member);
        }
      }
    }
  }

  function implement(type: Parameters<typeof checker.getPropertyOfType>[0], name: Node, value: Node): void {
    if (!is.isIdentifier(name)) return;
    for (const member of declarationsOf(checker.getPropertyOfType(type, name.text))) {
      if (member !== value) implementations.set(member, [...(implementations.get(member) ?? []), value]);
    }
  }

  function declarationsOf(symbol: Symbol | undefined): readonly Node[] {
    return symbol?.declarations.flatMap((handle) => code.nodeOf(handle) ?? []) ?? [];
  }

  function symbolOf(name: Node): Symbol | undefined {
    const symbol = is.isShorthandPropertyAssignment(name.parent)
      ? checker.getShorthandAssignmentValueSymbol(name.parent)
      : checker.getSymbolAtLocation(name);
    return symbol && symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  }

  function resolve(expression: Node, passed: Passed, seen: Set<Node>): readonly Fn[] {
    const callee = bare(expression);
    if (isFunction(callee)) return [callee];
    const name = nameIn(callee);
    if (!name || seen.has(callee)) return [];
    seen.add(callee);
    const symbol = symbolOf(name);
    const bound = symbol && passed.get(symbol.id);
    return bound ?? declarationsOf(symbol).flatMap((declaration) => declared(declaration, passed, seen));
  }

  function declared(node: Node, passed: Passed, seen: Set<Node>): readonly Fn[] {
    if (isFunction(node)) return node.body ? [node] : [];
    if (is.isVariableDeclaration(node) || is.isPropertyAssignment(node)) {
      return node.initializer ? resolve(node.initializer, passed, seen) : [];
    }
    if (is.isShorthandPropertyAssignment(node)) return resolve(node.name, passed, seen);
    if (is.isClassDeclaration(node)) {
      return node.members.filter((member) => is.isConstructorDeclaration(member)).filter(({ body }) => body);
    }
    if (is.isBindingElement(node)) {
      const type = checker.getTypeAtLocation(node.parent);
      const name = node.propertyName ?? node.name;
      if (!type || !name || !is.isIdentifier(name)) return [];
      return declarationsOf(checker.getPropertyOfType(type, name.text))
        .filter((member) => member !== node)
        .flatMap((member) => declared(member, passed, seen));
    }
    if (is.isMethodSignatureDeclaration(node) || is.isPropertySignatureDeclaration(node)) {
      if (seen.has(node)) return [];
      seen.add(node);
      const values = implementations.get(node) ?? [];
      const found = new Set(values.flatMap((value) => resolve(value, passed, seen)));
      return found.size === 1 ? [...found] : [];
    }
    return [];
  }

  return {
    functionsOf: (expression, passed) => resolve(expression, passed, new Set()),
    passing(fn, args, passed) {
      const known = new Map(passed);
      for (const [index, { name }] of fn.parameters.entries()) {
        const arg = args[index] && bare(args[index]);
        if (!arg || !nameIn(arg) || !is.isIdentifier(name)) continue;
        const functions = resolve(arg, passed, new Set());
        const symbol = checker.getSymbolAtLocation(name);
        if (symbol && functions.length > 0) known.set(symbol.id, functions);
      }
      return known;
    },
  };
}
