/** What `import … from 'ouassister/emulate'` gives: what a traced command is to see of another machine. */
export { packUts } from './uts.js';
