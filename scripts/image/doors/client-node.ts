// What the bundle keeps of @kubernetes/client-node: its main file loads a class for each type of the API, 15 MB of source.
export { KubeConfig } from '@kubernetes/client-node/dist/config.js';
export { loadYaml } from '@kubernetes/client-node/dist/yaml.js';
