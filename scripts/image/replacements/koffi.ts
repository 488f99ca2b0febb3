import { createRequire } from 'node:module';
import type * as koffi from 'koffi';

/** The native part of koffi lies beside the program. The package itself would look for it below `node_modules`. */
export const { load } = createRequire(import.meta.url)('./koffi.node') as typeof koffi;
