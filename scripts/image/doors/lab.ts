import { Command } from 'commander';

/** In the image, which has none of what a lab is made of. */
export function labCommand(): Command {
  return new Command('lab')
    .argument('[arguments...]')
    .allowUnknownOption()
    .action(() => {
      const message = 'the image has no lab: it runs from a clone of the repository, with npm run lab';
      throw Object.assign(new Error(message), { code: 'no-lab' });
    });
}
