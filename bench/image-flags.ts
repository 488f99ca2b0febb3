import { agentFlags } from '../src/config/flags.ts';
import type { PipelineOptions } from '../src/pipeline.ts';

/** Node flags of the image: the #! line of its program, and the environment in its configuration (scripts/image). */
export const imageNodeFlags: readonly string[] = ['--optimize-for-size'];
export const imageEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
};

/** What the agent gives its pipeline by default, where that is not the default of a pipeline. */
export const imagePipeline: PipelineOptions = { fastPath: agentFlags.fastPath.fallback === 'true' };
