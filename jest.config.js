/** Tests run on the compiled output: no transformer, one build, the code that ships. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/dist/test'],
  testMatch: ['**/*.test.js'],
  transform: {},
  coverageProvider: 'v8',
  // A hang guard, not a bound on speed: some tests boot a VM under software emulation.
  testTimeout: 600_000,
  maxWorkers: 2,
};
