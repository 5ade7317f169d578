package dial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/websocket"
)

// rawChunk is the maximum number of bytes of stdin that --raw puts into a
// message.
const rawChunk = 32 << 10

// readPipe prepares the messages from the flags and from stdin.
func (c *client) readPipe(ctx context.Context, stdin io.Reader) error {
	for _, text := range c.messages {
		next, err := c.line(text)
		if err != nil {
			return exit.Usagef("--message: %w", err)
		}
		c.first = append(c.first, next)
	}
	switch {
	case c.one && len(c.messages) == 0:
		return c.readWhole(ctx, stdin)
	case c.one || c.listen:
		return nil
	}
	input := make(chan action)
	c.input = input
	scan := c.scanLines
	if c.raw {
		scan = c.scanChunks
	}
	go func() {
		defer close(input)
		scan(stdin, func(next action) bool {
			select {
			case input <- next:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return nil
}

// readWhole makes all of stdin one message, if it is not empty.
func (c *client) readWhole(ctx context.Context, stdin io.Reader) error {
	if f, ok := stdin.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return nil // a terminal or /dev/null: only receive the answer
		}
	}
	p, err := io.ReadAll(ui.Reader(ctx, stdin))
	if err != nil || len(p) == 0 {
		return err
	}
	next := write(websocket.MessageBinary, p)
	if !c.raw && !c.binary {
		if next, err = c.line(string(bytes.TrimSuffix(p, []byte("\n")))); err != nil {
			return err
		}
	}
	c.first = append(c.first, next)
	return nil
}

// scanLines yields an action for each line. A line that cannot be sent ends the
// program.
func (c *client) scanLines(stdin io.Reader, yield func(action) bool) {
	r := bufio.NewReader(stdin)
	for number := 1; ; number++ {
		line, err := r.ReadString('\n')
		if line != "" {
			next, bad := c.line(trimLineEnd(line))
			if bad != nil {
				next = fail(exit.With(exit.Usage, fmt.Errorf("line %d of stdin: %w", number, bad)))
			}
			if !yield(next) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				yield(fail(fmt.Errorf("reading stdin: %w", err)))
			}
			return
		}
	}
}

func trimLineEnd(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// scanChunks yields an action for each chunk of bytes, as they arrive.
func (c *client) scanChunks(stdin io.Reader, yield func(action) bool) {
	for {
		p := make([]byte, rawChunk)
		n, err := stdin.Read(p)
		if n > 0 && !yield(write(websocket.MessageBinary, p[:n])) {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				yield(fail(fmt.Errorf("reading stdin: %w", err)))
			}
			return
		}
	}
}

func fail(err error) action {
	return func(context.Context, *client, *websocket.Conn) error { return err }
}
