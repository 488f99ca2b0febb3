// The part of @kubernetes/client-node in the bundle. Its main file loads a class for each API type, 15 MB of source.
export { KubeConfig } from '@kubernetes/client-node/dist/config.js';
export { dumpYaml, loadYaml } from '@kubernetes/client-node/dist/yaml.js';
