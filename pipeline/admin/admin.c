#include "pipeline/admin/admin.h"

#include "pipeline/admin/control.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/module.h"

bool admin_start(struct admin *a, const struct config *cfg, struct error *err)
{
    *a = (struct admin){.ops = NULL};
    if (!cfg->admin.listen || !*cfg->admin.listen)
        return true;
    a->ops = module_load("admin", "admin_ops", err);
    if (a->ops)
        a->http = a->ops->start(cfg->admin.listen, &a->view, err);
    return a->http || error_wrap(err, "[admin]");
}

void admin_started(struct admin *a, struct engine *e)
{
    struct error err;
    atomic_store(&a->view.engine, e);
    if (!e->state)
        return;
    a->control = control_start(state_directory(e->state), e, &err);
    if (!a->control) /* the data path does not need it */
        log_warn(NULL, "no control socket: %s", err.text);
}

void admin_stop(struct admin *a)
{
    control_stop(a->control);
    if (a->http)
        a->ops->stop(a->http);
    *a = (struct admin){.ops = NULL};
}
