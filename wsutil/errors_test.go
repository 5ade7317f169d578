package wsutil

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestCloseCode_RFC6455_7_1_7(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want ws.StatusCode
	}{
		{nil, ws.StatusNormalClosure},
		{ws.ErrProtocolMaskRequired, ws.StatusProtocolError},
		{ws.ErrProtocolCloseBodyOneByte, ws.StatusProtocolError},
		{ws.ErrHeaderLengthMSB, ws.StatusProtocolError},
		{ws.ErrHeaderLengthOverflow, ws.StatusMessageTooBig},
		{ErrInvalidUTF8, ws.StatusInvalidFramePayloadData},
		{ErrMessageTooLarge, ws.StatusMessageTooBig},
		{ErrFrameTooLarge, ws.StatusMessageTooBig},
		{ErrTooManyFragments, ws.StatusMessageTooBig},
		{fmt.Errorf("read: %w", ErrMessageTooLarge), ws.StatusMessageTooBig},
		{errors.Join(io.EOF, ErrInvalidUTF8), ws.StatusInvalidFramePayloadData},
		{ClosedError{Code: 4000}, 4000},
		{fmt.Errorf("read: %w", ClosedError{1001, "bye"}), 1001},
		{ClosedError{Code: ws.StatusNoStatusRcvd}, ws.StatusNoStatusRcvd},
		{ClosedError{Code: ws.StatusAbnormalClosure}, ws.StatusNoStatusRcvd},
		{ClosedError{}, ws.StatusNoStatusRcvd},
		{fmt.Errorf("send: %w", ErrSendQueueFull), ws.StatusTryAgainLater},
		{io.ErrUnexpectedEOF, ws.StatusInternalServerError},
		{errors.New("database is gone"), ws.StatusInternalServerError},
	} {
		code := CloseCode(tt.err)
		require.Equal(t, tt.want, code, "%v", tt.err)
		require.True(t, code.MayBeSent() || code == ws.StatusNoStatusRcvd)
	}
}

func TestClosedError(t *testing.T) {
	for want, err := range map[string]ClosedError{
		`wsutil: connection closed: 1000 (normal closure)`:     {Code: 1000},
		`wsutil: connection closed: 1001 (going away): "bye"`:  {1001, "bye"},
		`wsutil: connection closed: 4000: "line\nbreak"`:       {4000, "line\nbreak"},
		`wsutil: connection closed: 1005 (no status received)`: {Code: ws.StatusNoStatusRcvd},
		`wsutil: connection closed: 1006 (abnormal closure)`:   {Code: ws.StatusAbnormalClosure},
	} {
		require.EqualError(t, err, want)
		require.ErrorIs(t, fmt.Errorf("read: %w", err), err)
	}
}
