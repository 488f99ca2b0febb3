import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadYaml } from '@kubernetes/client-node';

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: {
    readonly summary: string;
    /** A command for the shell of whoever is called. */
    readonly run: string;
    readonly runbook_url: string;
  };
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export const alertFile = fileURLToPath(new URL('../../charts/postern/alerts.yaml', import.meta.url));
export const alertText = readFileSync(alertFile, 'utf8');
export const alertRules = loadYaml<RuleFile>(alertText).groups.flatMap(({ rules }) => rules);
