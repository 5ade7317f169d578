package reconnect

import "fmt"

// Reason is the reason why [Client.Run] gave up.
type Reason int

const (
	NotRetryable    Reason = iota + 1 // the last error is not retryable
	TooManyAttempts                   // Options.MaxAttempts was reached
	AwayTooLong                       // Options.MaxAway has passed
	ContextEnded                      // the context of Run has ended
	Stopped                           // OnRetry returned an error
)

// String describes the reason.
func (r Reason) String() string {
	switch r {
	case NotRetryable:
		return "not retryable"
	case TooManyAttempts:
		return "too many attempts"
	case AwayTooLong:
		return "away for too long"
	case ContextEnded:
		return "the context has ended"
	case Stopped:
		return "stopped by OnRetry"
	}
	return fmt.Sprintf("Reason(%d)", int(r))
}

// GaveUpError is returned by [Client.Run] when it gives up.
type GaveUpError struct {
	Reason   Reason
	Failures int   // consecutive failures, including the last one
	Err      error // the last error
}

// Error returns the reason and the last error.
func (e *GaveUpError) Error() string {
	return fmt.Sprintf("reconnect: gave up (%v) at failure %d in a row: %v", e.Reason, e.Failures, e.Err)
}

// Unwrap returns the last error.
func (e *GaveUpError) Unwrap() error { return e.Err }
