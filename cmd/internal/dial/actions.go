package dial

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket"
)

// write returns an action that sends a message.
func write(typ websocket.MessageType, p []byte) action {
	return func(ctx context.Context, c *client, conn *websocket.Conn) error {
		c.sent++
		return conn.Write(ctx, typ, p)
	}
}

// line returns the action for a line that is a message, in the encoding of the
// flags.
func (o *options) line(text string) (action, error) {
	switch {
	case o.hex:
		return decoded(text, "hexadecimal", func(s string) ([]byte, error) { return hex.DecodeString(strings.Join(strings.Fields(s), "")) })
	case o.base64:
		return decoded(text, "base64", base64.StdEncoding.DecodeString)
	case o.binary:
		return write(websocket.MessageBinary, []byte(text)), nil
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("the text is not valid UTF-8: send it with --binary")
	}
	return write(websocket.MessageText, []byte(text)), nil
}

func decoded(text, name string, decode func(string) ([]byte, error)) (action, error) {
	p, err := decode(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%q is not %s", text, name)
	}
	return write(websocket.MessageBinary, p), nil
}

const commandHelp = `  TEXT                   send a text message ("//x" sends "/x")
  /hex DATA              send hexadecimal as a binary message
  /base64 DATA           send base64 as a binary message
  /file NAME             send a file, as text if it is valid UTF-8
  /binary NAME           send a file as a binary message
  /ping [TEXT]           send a ping and show the round-trip time
  /close [CODE [REASON]] close the connection, by default with code 1000
  /quit                  close the connection and exit, like Ctrl-C and Ctrl-D
  /help                  show this list`

// command returns the action for a line entered on a terminal.
func (o *options) command(text string) (action, error) {
	if !strings.HasPrefix(text, "/") {
		return o.line(text)
	}
	if strings.HasPrefix(text, "//") {
		return o.line(text[1:])
	}
	name, rest, _ := strings.Cut(text[1:], " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "hex":
		return decoded(strings.Join(strings.Fields(rest), ""), "hexadecimal", hex.DecodeString)
	case "base64":
		return decoded(rest, "base64", base64.StdEncoding.DecodeString)
	case "file", "binary":
		return file(rest, name == "binary")
	case "ping":
		return ping, nil
	case "close":
		return closeCommand(rest)
	case "quit", "exit":
		return closeCommand("")
	case "help":
		return func(_ context.Context, c *client, _ *websocket.Conn) error {
			c.printer.status(commandHelp)
			return nil
		}, nil
	}
	return nil, fmt.Errorf(`unknown command /%s: /help lists the commands, and "//%s" sends the text as a message`, name, name)
}

func file(name string, binary bool) (action, error) {
	p, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	typ := websocket.MessageText
	if binary || !utf8.Valid(p) {
		typ = websocket.MessageBinary
	}
	return write(typ, p), nil
}

// ping does not block the input, so that a silent server does not hold it up.
func ping(ctx context.Context, c *client, conn *websocket.Conn) error {
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := conn.Ping(ctx); err != nil {
			c.printer.status("no pong: " + err.Error())
			return
		}
		c.printer.pong(conn.Latency())
	}()
	return nil
}

func closeCommand(rest string) (action, error) {
	code := websocket.StatusNormalClosure
	digits, reason, _ := strings.Cut(rest, " ")
	if digits != "" {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return nil, fmt.Errorf("/close %s: write a code such as 1000 or 4000, and then the reason", digits)
		}
		code = websocket.StatusCode(n)
	}
	return func(ctx context.Context, c *client, conn *websocket.Conn) error {
		err := c.leave(ctx, conn, code, strings.TrimSpace(reason))
		select {
		case <-conn.Done():
		default: // the code may not be sent, and the connection stays open
			c.printer.status(fmt.Sprintf("/close %d: %v", code, err))
			return nil
		}
		if err != nil {
			return exit.With(exit.Closed, fmt.Errorf("closing: %w", err))
		}
		if r := conn.CloseRecord(); r.Received != 0 {
			c.printer.closed(websocket.CloseError{Code: r.Received, Reason: r.Reason})
		}
		return errDone
	}, nil
}
