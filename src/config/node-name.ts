import { ConfigError } from './config-error.ts';
import { agentFlags } from './flags.ts';

/** Returns the name from the command line, else from the environment (set in the agent's pod), else `undefined`. Throws a ConfigError. */
export function readNodeName(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const flag = agentFlags.nodeName;
  const text = given ?? (env[flag.env] || undefined);
  if (text === undefined) return undefined;
  const name = flag.read(text);
  if (name !== undefined) return name;
  const source = given === undefined ? flag.env : `--${flag.name}`;
  throw new ConfigError(`${source}: ${JSON.stringify(text)} is not ${flag.expects}`);
}
