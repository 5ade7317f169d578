package app

import (
	"bytes"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Documents returns the manual pages and completions of a release archive, by
// file name.
func Documents() (map[string][]byte, error) {
	files := make(map[string][]byte)
	if err := addCompletions(files, newRoot()); err != nil {
		return nil, err
	}
	root := newRoot()
	root.DisableAutoGenTag = true
	nameLists(root)
	return files, addPages(files, root)
}

func addCompletions(files map[string][]byte, root *cobra.Command) error {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"wskit.bash": func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"_wskit":     func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"wskit.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
		"wskit.ps1":  func(b *bytes.Buffer) error { return root.GenPowerShellCompletionWithDesc(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		files[path.Join("completions", name)] = b.Bytes()
	}
	return nil
}

// addPages adds the pages of a command and its subcommands.
func addPages(files map[string][]byte, cmd *cobra.Command) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := addPages(files, c); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := doc.GenMan(cmd, manHeader(), &b); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	files[path.Join("man", "man1", name)] = b.Bytes()
	return nil
}
