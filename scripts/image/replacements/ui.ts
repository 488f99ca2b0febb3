import { Command } from 'commander';

/** `postern ui` in the image, which has no page: a user runs it on the own machine. */
export function uiCommand(): Command {
  return new Command('ui')
    .argument('[arguments...]')
    .allowUnknownOption()
    .action(() => {
      const message = 'the image has no page: run npx postern ui from a clone of the repository, with your kubeconfig';
      throw Object.assign(new Error(message), { code: 'no-page' });
    });
}
