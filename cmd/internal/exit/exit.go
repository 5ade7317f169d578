// Package exit has the exit statuses of wskit, and errors that carry one.
package exit

import (
	"errors"
	"fmt"
)

// The exit statuses. They are part of the command's interface: scripts rely on them.
const (
	OK           = 0
	Failed       = 1   // what was asked for did not succeed
	Usage        = 2   // the command line is wrong
	NoConnection = 3   // refused, timed out, wrong certificate, no WebSocket server
	Closed       = 4   // the connection was lost, or closed with an error code
	Interrupted  = 130 // by Ctrl-C, before the end
)

// Help is the section of the help texts that explains the statuses.
const Help = `Exit status:
  0    it worked
  1    it did not: the message says why
  2    the command line is wrong
  3    no connection: refused, timed out, wrong certificate, no WebSocket server
  4    the connection was lost, or closed with a code other than 1000 and 1001
  130  interrupted by Ctrl-C before the end`

// Error is an error with the exit status that it leads to. An Error without Err says
// nothing: the output has said it already.
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

// Explain returns an error that says text and wraps cause.
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

// Status returns the exit status that err leads to.
func Status(err error) int {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return Failed
}

// Silent reports whether err says nothing that has to be printed.
func Silent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Err == nil
}
