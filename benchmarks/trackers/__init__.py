"""ganwatch and its peers, each behind the same few functions, so that one program measures them all.

    start(folder)       begin a run that keeps everything under the folder
    log(values, step)   one call as a training loop makes it
    finish()            return when all of it is durable
    settle()            wait for what goes on behind that, and end what was started
    kept(folder, name)  how many values above 500 its chart of the series shows, where one can be asked for
                        without a browser

A module imports its tracker when it starts, and nothing of another. ``SHARE`` of the steps is what a slow one
is measured with.
"""
