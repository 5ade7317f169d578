package websocket

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The names of codes are those of the constants, and others are numbers.
func TestStatusCodeString_RFC6455_7_4(t *testing.T) {
	names := map[StatusCode]string{
		StatusNormalClosure:           "StatusNormalClosure",
		StatusGoingAway:               "StatusGoingAway",
		StatusProtocolError:           "StatusProtocolError",
		StatusUnsupportedData:         "StatusUnsupportedData",
		StatusNoStatusRcvd:            "StatusNoStatusRcvd",
		StatusAbnormalClosure:         "StatusAbnormalClosure",
		StatusInvalidFramePayloadData: "StatusInvalidFramePayloadData",
		StatusPolicyViolation:         "StatusPolicyViolation",
		StatusMessageTooBig:           "StatusMessageTooBig",
		StatusMandatoryExtension:      "StatusMandatoryExtension",
		StatusInternalError:           "StatusInternalError",
		StatusServiceRestart:          "StatusServiceRestart",
		StatusTryAgainLater:           "StatusTryAgainLater",
		StatusBadGateway:              "StatusBadGateway",
		StatusTLSHandshake:            "StatusTLSHandshake",

		0: "StatusCode(0)", -1: "StatusCode(-1)", 999: "StatusCode(999)", 1004: "StatusCode(1004)",
		1016: "StatusCode(1016)", 3000: "StatusCode(3000)", 4999: "StatusCode(4999)",
		1000 + 1<<16: "StatusCode(66536)", math.MaxInt32: "StatusCode(2147483647)",
	}
	for code, name := range names {
		require.Equal(t, name, code.String())
	}
	for code := StatusCode(-10); code < 6000; code++ {
		_, constant := names[code]
		require.True(t, constant || code.String() == "StatusCode("+strconv.Itoa(int(code))+")", "%v", code)
	}
}
