// The structure of the sources: what a file may import, how many a folder holds, and the files on the path of a POST.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { isCall, visit } from './calls.fixture.ts';
import { openCode, sourcesIn, testsIn, type Code } from './program.fixture.ts';
import { staysOf, tableOf, visitsOf, type Stay } from './request-path.fixture.ts';

const root = new URL('../../..', import.meta.url).pathname;

/** The folders of the server. Each imports the folders after it, and what any file of the server imports. */
const serverFolders = ['http', 'handle', 'send', 'run', 'keep', 'follow', 'history', 'lib'];
const forServer = [
  'src/protocol/',
  'src/channel/channel.ts',
  'src/server/options.ts',
  'src/server/settings.ts',
  'src/server/handler.ts',
];

/** The folders of the client, and its two files outside of them. Each imports those after it. */
const clientLayers = ['chat/', 'session.ts', 'core.ts', 'list/', 'sends/', 'runs/', 'network/'];

/** What the files of a layer import of src, besides their own layer and src/lib. What has no layer imports anything. */
const layers: Readonly<Record<string, readonly string[]>> = {
  'src/lib/': [],
  'src/protocol/': [],
  'src/channel/': ['src/protocol/'],
  ...Object.fromEntries(
    serverFolders.map((folder, index) => [
      `src/server/${folder}/`,
      [...forServer, ...serverFolders.slice(index).map((below) => `src/server/${below}/`)],
    ]),
  ),
  'src/server/': forServer,
  ...Object.fromEntries(
    clientLayers.map((layer, index) => [
      `src/client/${layer}`,
      ['src/protocol/', ...clientLayers.slice(index).map((below) => `src/client/${below}`)],
    ]),
  ),
  'src/client/': ['src/protocol/'],
  'src/react/': ['src/client/'],
  'src/testing/': ['src/protocol/', 'src/channel/channel.ts'],
};

/** Where in src a package is imported. One that is missing here is imported anywhere. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@ai-sdk/react': ['src/react/'],
  '@upstash/redis': ['src/channel/upstash/', 'src/simulation/'],
  next: ['src/next.ts'],
  node: ['src/testing/', 'src/simulation/', 'src/cli.ts'],
  react: ['src/react/'],
  'react-dom': [],
  zod: [], // its version 3 and 4 have this name
  'zod/v4': ['src/server/', 'src/simulation/'],
};

/** What time and randomness come from, besides `new Date()`. */
const clocks = new Set(
  [
    [
      'setTimeout',
      'setInterval',
      'setImmediate',
      'requestAnimationFrame',
      'requestIdleCallback',
      'scheduler',
    ],
    ['now', 'timeOrigin', 'timeout'], // of Date, performance and AbortSignal
    ['random', 'crypto', 'getRandomValues', 'randomUUID', 'subtle'],
    ['generateId', 'createIdGenerator'], // of the AI SDK
  ].flat(),
);

/** Where they are used: in their port, and in what runs outside of an app. */
const homesOfClocks = ['src/lib/runtime.ts', 'src/testing/', 'src/simulation/', 'src/cli.ts'];

const map = readFileSync(join(root, 'src/README.md'), 'utf8');
const pathsIn = (text: string) => [...text.matchAll(/`([\w./-]+\.tsx?)`/g)].map(([, path = '']) => path);

let code: Code;
beforeAll(() => {
  code = openCode(root);
});
afterAll(() => code[Symbol.dispose]());

describe('imports', () => {
  const inSrc = sourcesIn(root, 'src');
  const isIn = (file: string, places: readonly string[]) => places.some((place) => file.startsWith(place));

  test('go from a layer to the layers below it only', () => {
    const forbidden = inSrc.flatMap((file) => {
      const layer = Object.keys(layers).find((folder) => file.startsWith(folder));
      const allowed = layer && [layer, 'src/lib/', ...layers[layer]!]; // a key of this very table
      const ours = code.importsOf(file).filter((path) => path.startsWith('src/'));
      return ours.filter((path) => allowed && !isIn(path, allowed)).map((path) => `${file} imports ${path}`);
    });
    expect(forbidden).toEqual([]);
  });

  test('of the simulator are in the simulator only', () => {
    const outside = inSrc.filter((file) => !file.startsWith('src/simulation/'));
    const found = outside.filter((file) =>
      code.importsOf(file).some((path) => path.startsWith('src/simulation/')),
    );
    expect(found).toEqual([]);
  });

  test('of a package with a home are in its home only', () => {
    const forbidden = inSrc.flatMap((file) =>
      code
        .importsOf(file)
        .map((name) => name.replace(/^(next|react|react-dom)\/.*/, '$1').replace(/^node:.*/, 'node'))
        .filter((name) => homes[name] && !isIn(file, homes[name]))
        .map((name) => `${file} imports ${name}`),
    );
    expect(forbidden).toEqual([]);
  });
});

test('time and randomness come from the runtime', () => {
  const foundIn = (file: string) => {
    const found: string[] = [];
    visit(code.tree(file), (node) => {
      const isClock = is.isIdentifier(node) && clocks.has(node.text) && code.isForeign(node);
      const isDate = isCall(node) && node.expression.getText() === 'Date' && !node.arguments?.length;
      if (isClock || isDate) found.push(`${file} uses ${node.getText()}`);
    });
    return found;
  };
  expect(foundIn('src/lib/runtime.ts').length).toBeGreaterThan(5);
  const others = sourcesIn(root, 'src').filter(
    (file) => !homesOfClocks.some((home) => file.startsWith(home)),
  );
  expect(others.flatMap(foundIn)).toEqual([]);
});

test('no folder has more than 12 sources', () => {
  const counts = new Map<string, number>();
  for (const file of ['src', 'e2e', 'demo-app'].flatMap((folder) => sourcesIn(root, folder))) {
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 12)).toEqual([]);
});

test('no function of a request takes options of more than eight fields', () => {
  const { checker } = code;
  /** The fields that the server declares: a record of the wire is passed as it is. */
  const fieldsOf = (node: Node) => {
    const type = checker.getTypeAtLocation(node);
    const some = type && checker.getNonNullableType(type);
    const properties = some ? checker.getPropertiesOfType(some) : [];
    return properties.filter(({ declarations }) =>
      declarations.some((handle) => {
        const declared = code.nodeOf(handle);
        if (!declared || !is.isPropertySignatureDeclaration(declared)) return false;
        return code.fileOf(declared).startsWith('src/server/');
      }),
    );
  };
  const wide: string[] = [];
  for (const file of ['http', 'handle', 'send', 'run', 'keep', 'follow'].flatMap((folder) =>
    sourcesIn(root, `src/server/${folder}`),
  )) {
    visit(code.tree(file), (node) => {
      if (!is.isParameterDeclaration(node) && !is.isPropertySignatureDeclaration(node)) return;
      const count = node.type ? fieldsOf(node.type).length : 0;
      if (count > 8) wide.push(`${file}: ${node.type!.getText()} has ${count}`); // it was counted
    });
  }
  expect(wide).toEqual([]);
});

describe('the path of a POST to its first chunk', () => {
  let stays: readonly Stay[] = [];
  beforeAll(() => {
    stays = staysOf(code, {
      waypoints: [
        'src/server/http/routes.ts POST',
        'src/server/run/run.ts startRun',
        'src/server/run/reply-stream.ts push',
      ],
      folders: ['src/server/http/', 'src/server/send/', 'src/server/run/'],
      implementations: ['src/server', 'src/channel'],
    });
    console.log(tableOf(stays));
  });

  test('has at most 20 stays, and enters no file three times', () => {
    expect(stays.length).toBeLessThanOrEqual(20);
    expect([...visitsOf(stays)].filter(([, visits]) => visits > 2)).toEqual([]);
  });

  test('is in the map, file by file', () => {
    const [, section = ''] = /## Where does a POST go\?\n([^]*?)\nOff this path/.exec(map) ?? [];
    const named = pathsIn(section).filter((path) => /^server\/(http|send|run)\//.test(path));
    expect([...new Set(named)]).toEqual([...visitsOf(stays).keys()].map((path) => path.replace('src/', '')));
  });
});

describe('each guarantee of the map', () => {
  const rows = map.split('\n').filter((line) => /^\| G\d+ \|/.test(line));
  const guarantees = rows.map((row) => [/G\d+/.exec(row)?.[0] ?? '', pathsIn(row)] as const);

  test('has a number, from G1 to G12', () => {
    expect(guarantees.map(([name]) => name)).toEqual(
      Array.from({ length: 12 }, (_, index) => `G${index + 1}`),
    );
  });

  test.each(guarantees)('%s is cited by each of its tests', (name, paths) => {
    expect(paths).not.toEqual([]);
    const texts = paths.map((path) =>
      readFileSync(join(root, path.startsWith('e2e/') ? '' : 'src', path), 'utf8'),
    );
    expect(paths.filter((_, index) => !new RegExp(`\\b${name}\\b`).test(texts[index] ?? ''))).toEqual([]);
  });

  test('has in its row each test that is named after it', () => {
    const listed = guarantees.flatMap(([name, paths]) => paths.map((path) => `${name} src/${path}`));
    const named = testsIn(root, 'src').flatMap((file) => {
      const [name] = /^g\d+(?=-)/.exec(basename(file)) ?? [];
      return name ? [`${name.toUpperCase()} ${file}`] : [];
    });
    expect(named).not.toEqual([]);
    expect(named.filter((name) => !listed.includes(name))).toEqual([]);
  });
});

test('no folder of tests has more than 15', () => {
  const counts = new Map<string, number>();
  for (const file of testsIn(root, 'src/test')) {
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 15)).toEqual([]);
});

test('each file that the map names exists', () => {
  const missing = pathsIn(map).filter(
    (path) => !existsSync(join(root, 'src', path)) && !existsSync(join(root, path)),
  );
  expect(pathsIn(map)).toContain('server/http/routes.ts');
  expect(missing).toEqual([]);
});
