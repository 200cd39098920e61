@rem npm scripts begin with "exec", so that on Unix no shell stays between npm and the program. Windows has no such word.
@%*
