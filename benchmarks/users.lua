-- Draws users uniformly: FRESHET_USERS of them, a thread with a seed of its own.
local users = tonumber(os.getenv("FRESHET_USERS"))
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

function init(args)
  math.randomseed(seed)
end

function request()
  return wrk.format("GET", "/v1/users/u" .. math.random(0, users - 1) .. "/recommendations")
end
