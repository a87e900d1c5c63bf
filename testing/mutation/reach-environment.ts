// The environment variables by which instrumented sources and the setup file of the tests agree on where the numbers
// of reached blocks go. Processes that a test starts inherit them.

/** Names the folder of the numbers. */
export const folderVariable = "MUTATION_REACH_FOLDER"

/** Number of the running test file; unset while modules load. */
export const testVariable = "MUTATION_REACH_TEST"

/** The test files as a JSON list of paths. The index of a file is its number. */
export const testsVariable = "MUTATION_REACH_TESTS"
