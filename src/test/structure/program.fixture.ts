// The sources of a repository, as TypeScript's compiler reads them. Every path is relative to the root.

import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import * as is from 'typescript/unstable/ast/is';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { API, SymbolFlags, type Checker, type NodeHandle } from 'typescript/unstable/sync';

export interface Code extends Disposable {
  readonly root: string;
  readonly checker: Checker;
  tree(file: string): SourceFile;
  fileOf(node: Node): string;
  /** The node of a handle. Undefined for a node outside of src. */
  nodeOf(handle: NodeHandle): Node | undefined;
  /** Whether a name stands for something that is declared outside of src. */
  isForeign(name: Node): boolean;
  /** The specifiers of a file's imports, type imports included. One of this repository is the path of its file. */
  importsOf(file: string): readonly string[];
}

/** @param root - The repository's root; its `tsconfig.json` names the files. */
export function openCode(root: string): Code {
  const api = new API({ cwd: root });
  const [project] = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects();
  if (!project) throw new Error(`There is no TypeScript project in ${root}.`);
  const { program, checker } = project;

  function tree(file: string): SourceFile {
    const found = program.getSourceFile(join(root, file));
    if (!found) throw new Error(`tsconfig.json does not include ${file}.`);
    return found;
  }

  return {
    root,
    checker,
    tree,
    fileOf: (node) => relative(root, node.getSourceFile().fileName),
    nodeOf: (handle) =>
      relative(root, handle.path).startsWith('src/') ? handle.resolve(project) : undefined,
    isForeign(name) {
      // A name in a pattern is a variable, and a property of what is taken apart.
      const type = is.isBindingElement(name.parent) && checker.getTypeAtLocation(name.parent.parent);
      const symbol = type
        ? checker.getPropertyOfType(type, name.getText())
        : checker.getSymbolAtLocation(name);
      const origin = symbol && symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return origin?.declarations.every(({ path }) => !relative(root, path).startsWith('src/')) === true;
    },
    importsOf: (file) =>
      tree(file)
        .imports.filter((node) => is.isStringLiteral(node))
        .map(({ text }) => (text.startsWith('.') ? join(dirname(file), text) : text)),
    [Symbol.dispose]: () => api.close(),
  };
}

const notSources = /(\.(test|spec|fixture|d)\.tsx?|next-env\.d\.ts)$/;
const tests = /\.test\.tsx?$/;
const notOurs = new Set(['node_modules', '.next', '.results', '.data']);

/** The sources under a folder, without tests and fixtures. */
export function sourcesIn(root: string, folder: string): readonly string[] {
  return filesIn(root, folder).filter((path) => /\.(tsx?|mjs)$/.test(path) && !notSources.test(path));
}

/** The unit tests under a folder. */
export function testsIn(root: string, folder: string): readonly string[] {
  return filesIn(root, folder).filter((path) => tests.test(path));
}

function filesIn(root: string, folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !notOurs.has(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesIn(root, path) : [path];
    });
}
