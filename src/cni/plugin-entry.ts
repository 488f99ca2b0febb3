/** The name of the program, and the type of the plugin in a network configuration. */
export const pluginType = 'postern-cni';

export interface PluginSettings {
  readonly socket: string;
  readonly failurePolicy: 'Ignore' | 'Fail';
  /** How long ADD and CHECK wait. */
  readonly timeoutSeconds: number;
}

/** What postern-cni.c reads of its configuration. */
export interface PluginEntry extends PluginSettings {
  readonly type: typeof pluginType;
}

/** The plugin in a list of plugins. */
export function pluginEntry({ socket, failurePolicy, timeoutSeconds }: PluginSettings): PluginEntry {
  return { type: pluginType, socket, failurePolicy, timeoutSeconds };
}
