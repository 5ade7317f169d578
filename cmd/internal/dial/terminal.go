package dial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
)

const prompt = "> "

// typeAhead is how many lines are queued while the connection accepts none.
// Keys must still be read then, for Ctrl-C.
const typeAhead = 1000

// keys calls interrupt at each Ctrl-C, which is not a signal while the terminal
// is in raw mode.
type keys struct {
	io.Reader
	interrupt func()
}

func (k keys) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	for range bytes.Count(p[:n], []byte{ctrlC}) {
		k.interrupt()
	}
	return n, err
}

const ctrlC = 0x03

// onTerminal runs the client on a terminal.
func (c *client) onTerminal(ctx context.Context, stdin, stdout *os.File) error {
	before, err := term.MakeRaw(int(stdin.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer term.Restore(int(stdin.Fd()), before)

	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	hurry, cutShort := context.WithCancel(context.Background())
	defer cutShort()
	c.hurry = hurry
	pressed := keys{stdin, func() {
		if ctx.Err() != nil {
			cutShort()
		}
		interrupt()
	}}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{pressed, stdout}, prompt)
	if !c.noHistory {
		t.History = openHistory()
	}
	t.SetBracketedPasteMode(true)
	defer t.SetBracketedPasteMode(false)
	defer followSize(t, stdout)()

	palette := ui.For(stdout)
	c.printer = &printer{options: &c.options, out: t, log: t, palette: palette, logPalette: palette, terminal: true, screen: true}
	for _, text := range c.messages {
		next, err := c.line(text)
		if err != nil {
			return exit.Usagef("--message: %w", err)
		}
		c.first = append(c.first, next)
	}
	input := make(chan action, typeAhead)
	c.input = input
	go func() {
		c.readLines(t, input)
		io.Copy(io.Discard, pressed) // Ctrl-C still works while the connection is closed
	}()
	err = c.run(ctx)
	t.SetPrompt("")
	fmt.Fprintf(stdout, "\r\x1b[K") // removes the prompt
	return err
}

// readLines reads lines until Ctrl-C or Ctrl-D.
func (c *client) readLines(t *term.Terminal, input chan<- action) {
	defer close(input)
	for {
		line, err := t.ReadLine()
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return
		}
		if line == "" {
			continue
		}
		next, err := c.command(line)
		if err != nil {
			c.printer.problem(err.Error())
			continue
		}
		input <- next
	}
}
