#!/usr/bin/env node
// In JavaScript that old Nodes read too: it finds one that runs TypeScript, or says how to get it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const main = new URL('../src/main.ts', import.meta.url);
const installed = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
// Node keeps compiled code here, so that later starts are faster. Node's own default is in /tmp, where other users of the machine may write.
const cache = process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('../node_modules/.cache/node', import.meta.url));

if (!existsSync(new URL('../node_modules', import.meta.url))) {
  fail('its packages are not installed here: run npm ci --ignore-scripts first, which brings Node 24 too');
} else if (runsTypeScript(process.versions.node)) {
  module.enableCompileCache(cache);
  await import(main.href);
} else if (existsSync(installed)) {
  runWith(installed);
} else {
  fail(`Node ${process.versions.node} is too old: it needs 24.12 or newer, which npm ci --ignore-scripts brings`);
}

/** `engines` in package.json is what this file needs. */
function runsTypeScript(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 12);
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

function fail(message) {
  process.stderr.write(`postern: ${message}\n`);
  process.exitCode = 2;
}
