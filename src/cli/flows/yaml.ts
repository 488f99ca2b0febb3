import { dumpYaml } from '@kubernetes/client-node';

/** The value as YAML. client-node would drop fields of objects of the API that it does not know, but not in a list. */
export function toYaml(value: unknown): string {
  const lines = dumpYaml([value] as never, { lineWidth: -1, noArrayIndent: true, noRefs: true } as never).trimEnd();
  return `${lines
    .split('\n')
    .map((line) => line.slice(2))
    .join('\n')}\n`;
}
