package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const requestTimeout = 5 * time.Second

type request struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type response struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// methods are the API. Each one returns when its context ends.
var methods = map[string]func(ctx context.Context, params json.RawMessage) (any, error){
	"sum": func(_ context.Context, params json.RawMessage) (any, error) {
		var numbers []float64
		if err := json.Unmarshal(params, &numbers); err != nil {
			return nil, errors.New("params is not a list of numbers")
		}
		sum := 0.0
		for _, n := range numbers {
			sum += n
		}
		return sum, nil
	},
	"sleep": func(ctx context.Context, params json.RawMessage) (any, error) {
		var ms int
		if err := json.Unmarshal(params, &ms); err != nil {
			return nil, errors.New("params is not a number of milliseconds")
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			return "awake", nil
		case <-ctx.Done():
			return nil, errors.New("timed out")
		}
	},
}

func answer(req request) response {
	method, ok := methods[req.Method]
	if !ok {
		return response{ID: req.ID, Error: fmt.Sprintf("no method %.40q", req.Method)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	result, err := method(ctx, req.Params)
	if err != nil {
		return response{ID: req.ID, Error: err.Error()}
	}
	return response{ID: req.ID, Result: result}
}
