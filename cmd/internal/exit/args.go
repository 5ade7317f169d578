package exit

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Args makes the errors of check errors of usage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return Usagef("%d arguments: write %s", len(args), cmd.UseLine())
	}
}

// File returns an error if the directory of a file to write does not exist, so
// that a command fails before it does any work. An empty name is valid.
func File(flag, name string) error {
	if name == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		return Usagef("%s %s: directory %s not found", flag, name, filepath.Dir(name))
	}
	return nil
}
