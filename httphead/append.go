package httphead

import (
	"errors"
	"strconv"
)

// Errors of the Append functions for invalid arguments. The functions then
// return dst unchanged.
var (
	ErrInvalidName   = errors.New("httphead: method or name is not a token")
	ErrInvalidValue  = errors.New("httphead: value or reason contains a control byte")
	ErrInvalidTarget = errors.New("httphead: request target is empty or contains a byte that is not visible ASCII")
	ErrInvalidStatus = errors.New("httphead: status does not have three digits")
)

// AppendRequestLine appends the request line of an HTTP/1.1 request to dst (RFC
// 9112, section 3). The caller chooses the form of target.
func AppendRequestLine(dst []byte, method, target string) ([]byte, error) {
	if !IsToken(method) {
		return dst, ErrInvalidName
	}
	out := append(append(dst, method...), ' ')
	t := len(out)
	out = append(out, target...)
	if target == "" || visibleEnd(out, t) < len(out) {
		return dst, ErrInvalidTarget
	}
	return append(out, " "+protocol+"\r\n"...), nil
}

// AppendStatusLine appends the status line of an HTTP/1.1 response to dst (RFC
// 9112, section 4). reason may be empty.
func AppendStatusLine(dst []byte, status int, reason string) ([]byte, error) {
	if status < 100 || status > 999 {
		return dst, ErrInvalidStatus
	}
	out := strconv.AppendInt(append(dst, protocol+" "...), int64(status), 10)
	return appendText(dst, append(out, ' '), reason)
}

// AppendField appends a field line to dst (RFC 9112, section 5). It omits white
// space around value, because that is not part of a field value. It returns
// [ErrInvalidValue] for a value with a control byte other than HTAB.
func AppendField[N, V ~string | ~[]byte](dst []byte, name N, value V) ([]byte, error) {
	if !IsToken(name) {
		return dst, ErrInvalidName
	}
	out := append(append(dst, name...), ": "...)
	return appendText(dst, out, trimOWS(value))
}

// appendText appends text and CRLF to out, which is dst with the start of a
// line. If text would break the line, it returns dst and an error.
func appendText[T ~string | ~[]byte](dst, out []byte, text T) ([]byte, error) {
	n := len(out)
	out = append(out, text...)
	if controlEnd(out, n) < len(out) {
		return dst, ErrInvalidValue
	}
	return append(out, "\r\n"...), nil
}

// AppendOptions appends options to dst as one field value in the form "a; b=c,
// d", which [Fields.Options] reads. Parameters keep their order. For a
// parameter with an empty value, it appends only the name. It quotes a value
// that is not a token. AppendOptions returns [ErrInvalidValue] for a value with
// a control byte other than HTAB.
func AppendOptions(dst []byte, options []Option) ([]byte, error) {
	out, err := dst, error(nil)
	for i := range options {
		if i > 0 {
			out = append(out, ", "...)
		}
		if !IsToken(options[i].Name) {
			return dst, ErrInvalidName
		}
		out = append(out, options[i].Name...)
		options[i].Parameters.ForEach(func(name, value []byte) bool {
			out, err = appendParameter(append(out, "; "...), name, value)
			return err == nil
		})
		if err != nil {
			return dst, err
		}
	}
	return out, nil
}

// appendParameter appends a parameter to dst. On error its result is undefined.
func appendParameter(dst, name, value []byte) ([]byte, error) {
	switch {
	case !IsToken(name):
		return dst, ErrInvalidName
	case controlEnd(value, 0) < len(value):
		return dst, ErrInvalidValue
	}
	dst = append(dst, name...)
	switch {
	case len(value) == 0:
		return dst, nil
	case IsToken(value):
		return append(append(dst, '='), value...), nil
	}
	dst = append(dst, `="`...)
	for _, c := range value {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"'), nil
}
