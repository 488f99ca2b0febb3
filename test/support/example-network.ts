import { fileURLToPath } from 'node:url';

/** The path of a CNI configuration list in examples/networks. */
export function exampleNetwork(name: string): string {
  return fileURLToPath(new URL(`../../examples/networks/${name}.conflist`, import.meta.url));
}
