/** The directories that a path names above its last one, from the top down; neither `/` nor `''` is among them. */
export function directoriesAbove(path: string): string[] {
  const above = [];
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1))
    above.push(path.slice(0, slash));
  return above;
}
