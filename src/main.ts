#!/usr/bin/env node
import { run } from './cli/cli.ts';

// Not process.exit(): what is still being written or cleaned up gets its time.
process.exitCode = await run(process.argv.slice(2));
