import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

const root = new URL('../../', import.meta.url);
const pathOf = (relative: string): string => fileURLToPath(new URL(relative, root));

/** Linux passes only one argument from a #! line. This one halves the memory: the heap grows in smaller steps, with more collections. */
const interpreter = '#!/usr/bin/node --optimize-for-size';

/** Modules that the image replaces: the imported name, and the importing files. */
const replacements: readonly { readonly filter: RegExp; readonly importer: RegExp; readonly file: string }[] = [
  { filter: /^@kubernetes\/client-node$/, importer: /\/src\/watch\/pod-exec\.ts$/, file: 'client-node-exec.ts' },
  { filter: /^@kubernetes\/client-node$/, importer: /\/src\//, file: 'client-node.ts' },
  {
    filter: /^(undici|\.\/gen\/(index|rxjsStub)\.js)$/,
    importer: /\/client-node\/dist\/[a-z]+\.js$/,
    file: 'requests.ts',
  },
  { filter: /^\.\/(serializer|util)\.js$/, importer: /\/client-node\/dist\/yaml\.js$/, file: 'typed-objects.ts' },
  { filter: /\/own-lab\.ts$/, importer: /\/cli\/expect\/place\.ts$/, file: 'own-lab.ts' },
  { filter: /\/commands\/lab\.ts$/, importer: /\/cli\/commands\.ts$/, file: 'lab.ts' },
  { filter: /\/commands\/ui\.ts$/, importer: /\/cli\/commands\.ts$/, file: 'ui.ts' },
  { filter: /\/config\/version\.ts$/, importer: /\/src\//, file: 'version.ts' },
  { filter: /^koffi$/, importer: /\/src\/apply\//, file: 'koffi.ts' },
];

const openDoors: Plugin = {
  name: 'replacements',
  setup(plugins) {
    const used = new Set<string>();
    for (const { filter, importer, file } of replacements) {
      plugins.onResolve({ filter }, (module) => {
        if (!importer.test(module.importer)) return undefined;
        used.add(file);
        return { path: pathOf(`scripts/image/replacements/${file}`) };
      });
    }
    plugins.onEnd(() => {
      const unused = replacements.filter(({ file }) => !used.has(file)).map(({ file }) => file);
      return { errors: unused.map((file) => ({ text: `no import is replaced by replacements/${file} any more` })) };
    });
  },
};

/**
 * An `import` of a Node.js module reads all its exports, also lazy ones: the WebSocket of `node:http` alone takes 10 MB. `require` reads
 * none.
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup(plugins) {
    plugins.onResolve({ filter: /./ }, ({ path, namespace }) => {
      if (!isBuiltin(path)) return undefined;
      return namespace === 'builtin' ? { path, external: true } : { path, namespace: 'builtin' };
    });
    plugins.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }));
  },
};

/** The native part of koffi for this machine. */
const koffi = `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;

/**
 * Writes the program as an executable JavaScript file, with the parts that only some commands need and `koffi.node` beside it, and the licences of the packages in them. In one
 * file, each command would read all of it: 15 MB of memory and 50 ms of processor.
 */
export async function bundle(outfile: string, licences: string): Promise<void> {
  const { version } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as { version: string };
  const { metafile, outputFiles } = await build({
    entryPoints: { [basename(outfile, extname(outfile))]: pathOf('src/main.ts') },
    outdir: dirname(outfile),
    outExtension: { '.js': extname(outfile) },
    splitting: true,
    chunkNames: '[name]-[hash]',
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Keeps names for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    define: { POSTERN_VERSION: JSON.stringify(version) },
    plugins: [openDoors, requireBuiltins],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
  });
  mkdirSync(dirname(outfile), { recursive: true });
  for (const { path, text } of outputFiles) {
    if (path === resolve(outfile)) writeFileSync(path, text.replace(/^#!.*/, interpreter), { mode: 0o755 });
    else writeFileSync(path, text);
  }
  copyFileSync(pathOf(koffi), join(dirname(outfile), 'koffi.node'));
  for (const folder of [...packagesIn(metafile), pathOf('node_modules/koffi')]) copyLicence(folder, licences);
}

/** The folders of the packages in the bundle. */
function packagesIn({ outputs }: Metafile): Set<string> {
  const folders = new Set<string>();
  for (const { inputs } of Object.values(outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
    }
  }
  return folders;
}

function copyLicence(folder: string, licences: string): void {
  const name = folder.replace(/^.*node_modules\//, '');
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  // Some packages have only the name of their licence, in package.json.
  for (const file of files.length > 0 ? files : ['package.json']) {
    const target = `${licences}/npm/${name}/${file}`;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, readFileSync(`${folder}/${file}`));
  }
}

if (import.meta.main) {
  const [outfile, licences] = process.argv.slice(2);
  if (outfile === undefined || licences === undefined) throw new Error('usage: bundle.ts OUTFILE LICENCES');
  await bundle(outfile, licences);
}
