#!/usr/bin/env node
import { run } from './cli/cli.ts';

// A reader that has seen enough, as `| head`, is no failure, and what is to be cleaned up still is.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
// Not process.exit(): what is still being written or cleaned up gets its time.
process.exitCode = await run(process.argv.slice(2));
