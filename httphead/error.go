package httphead

// Error describes an invalid head that was received. It is a fault of the peer;
// errors of the Append functions have another type.
type Error struct {
	Status  int    // status of a server's response; not for clients
	Section string // the rule that was broken, such as "RFC 9112, section 5.1"
	Reason  string
}

// Error returns the reason and the section.
func (e *Error) Error() string { return "httphead: " + e.Reason + " (" + e.Section + ")" }

// Errors for invalid heads. Each is an [*Error], and errors.Is compares them by
// identity.
var (
	ErrRequestLine error = &Error{400, "RFC 9112, section 3", "malformed request line"}
	ErrTarget      error = &Error{400, "RFC 9112, section 3.2", "malformed request target"}
	ErrStatusLine  error = &Error{400, "RFC 9112, section 4", "malformed status line"}
	ErrVersion     error = &Error{505, "RFC 9112, section 2.3", "major version of HTTP is not 1"}

	ErrLineEnd    error = &Error{400, "RFC 9112, section 2.2", "CR or LF outside of CRLF"}
	ErrFold       error = &Error{400, "RFC 9112, section 5.2", "line begins with white space"}
	ErrNoColon    error = &Error{400, "RFC 9112, section 5", "field line without a colon"}
	ErrNameSpace  error = &Error{400, "RFC 9112, section 5.1", "white space after a field name"}
	ErrFieldName  error = &Error{400, "RFC 9110, section 5.1", "field name is not a token"}
	ErrFieldValue error = &Error{400, "RFC 9110, section 5.5", "control byte in a field value"}

	ErrHost          error = &Error{400, "RFC 9112, section 3.2", "more than one Host field"}
	ErrContentLength error = &Error{400, "RFC 9110, section 8.6", "malformed Content-Length"}
	ErrBody          error = &Error{400, "RFC 9112, section 6", "request with a body"}
	ErrList          error = &Error{400, "RFC 9110, section 5.6", "malformed list in a field value"}

	ErrStartLineTooLong error = &Error{414, "RFC 9110, section 15.5.15", "start line over the limit"}
	ErrHeadTooLarge     error = &Error{431, "RFC 6585, section 5", "head over the limit"}
	ErrTooManyFields    error = &Error{431, "RFC 6585, section 5", "too many fields"}

	ErrTooManyOptions    error = &Error{431, "RFC 6585, section 5", "too many members in a list of options"}
	ErrTooManyParameters error = &Error{431, "RFC 6585, section 5", "too many parameters of an option"}
)
