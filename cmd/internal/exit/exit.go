// Package exit defines the exit statuses of wskit, and errors that carry one.
package exit

import (
	"errors"
	"fmt"
)

// The exit statuses. They are part of the command's interface: scripts rely on them.
const (
	OK           = 0
	Failed       = 1   // the command failed
	Usage        = 2   // the command line is invalid
	NoConnection = 3   // refused, timed out, invalid certificate, not a WebSocket server
	Closed       = 4   // the connection was lost, or closed with an error code
	Interrupted  = 130 // by Ctrl-C
)

// Help is the section of the help texts that explains the statuses.
const Help = `Exit status:
  0    success
  1    failure: the message says why
  2    invalid command line
  3    no connection: refused, timed out, invalid certificate, not a WebSocket server
  4    the connection was lost, or closed with a code other than 1000 and 1001
  130  interrupted by Ctrl-C`

// Error is an error with its exit status. An Error with a nil Err prints
// nothing, because the output already reports it.
type Error struct {
	Status int
	Err    error
}

// Error returns the text of Err.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// With returns an error that ends the program with this status.
func With(status int, err error) error { return &Error{status, err} }

// Explain returns an error with this text that wraps cause.
func Explain(text string, cause error) error { return &explained{text, cause} }

type explained struct {
	text  string
	cause error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

// Usagef returns an error about the command line.
func Usagef(format string, args ...any) error {
	return &Error{Usage, fmt.Errorf(format, args...)}
}

// Status returns the exit status for err.
func Status(err error) int {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return Failed
}

// Silent reports whether nothing has to be printed for err.
func Silent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Err == nil
}
