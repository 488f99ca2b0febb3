import { Command } from 'commander';

/** `postern lab` in the image, which lacks the requirements of a lab. */
export function labCommand(): Command {
  return new Command('lab')
    .argument('[arguments...]')
    .allowUnknownOption()
    .action(() => {
      const message = 'the image has no lab: it runs from a clone of the repository, with npm run lab';
      throw Object.assign(new Error(message), { code: 'no-lab' });
    });
}
