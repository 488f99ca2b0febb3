#!/usr/bin/env node
import { run } from './cli/cli.ts';

// EPIPE is not a failure: the reader of a pipe (`| head`) has closed it. Cleanup must still run.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
// Not process.exit(): pending writes and cleanup must finish.
process.exitCode = await run(process.argv.slice(2));
