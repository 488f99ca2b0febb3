/**
 * Finds the function that returns memory to the system that malloc keeps for later. glibc does so by itself only at the end of its heap. The function
 * does nothing with another C library, or where koffi cannot run.
 */
export async function findTrim(): Promise<() => void> {
  try {
    const { load } = await import('koffi');
    // `null`: the C library that this process has loaded.
    const trim = load(null).func('malloc_trim', 'int', ['size_t']) as (kept: number) => number;
    return () => void trim(0);
  } catch {
    return () => {};
  }
}
